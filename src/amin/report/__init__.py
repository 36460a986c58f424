"""Numbers to table, CSV, figure and page. A report reads results and never runs anything."""

"""Where requests come from: jobs with their true lengths, which no scheduler sees."""

"""How long will the output be? Predictors answer on arrival and learn when a request ends."""

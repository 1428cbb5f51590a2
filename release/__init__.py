"""What a release publishes: checked, built, installed and run. `make dist` does all of it."""

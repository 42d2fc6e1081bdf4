"""The applications of test_heartbeat.py, a module for each framework."""

"""Tests with the libraries that services use: `hatch run ecosystem`."""

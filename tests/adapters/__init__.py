"""Tests of the adapters, with real requests to small applications."""

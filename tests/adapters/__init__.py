"""Tests of the adapters, through real requests to small applications."""

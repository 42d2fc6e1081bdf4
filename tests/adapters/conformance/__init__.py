"""Each behaviour once, for every adapter."""

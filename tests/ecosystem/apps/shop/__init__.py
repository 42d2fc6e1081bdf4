"""A Django project beside the libraries that projects use."""

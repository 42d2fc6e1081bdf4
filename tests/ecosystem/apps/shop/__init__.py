"""A Django project with the libraries that projects use."""

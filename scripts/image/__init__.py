"""A Dockerfile's steps without Docker: read them, carry them out in a clean root file system."""

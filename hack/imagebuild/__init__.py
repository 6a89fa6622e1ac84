"""The images of the programs, built from the Dockerfile by Docker or buildah."""

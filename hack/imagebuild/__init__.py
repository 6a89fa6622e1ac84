"""The images of both programs, built from the Dockerfile by Docker or buildah."""

"""OpenAI's API over Teams: a model is a Team, and each request makes a Task."""

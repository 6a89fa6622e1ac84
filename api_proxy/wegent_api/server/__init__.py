"""The program around the application: connections, logs, metrics, probes."""

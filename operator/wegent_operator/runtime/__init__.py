"""The parts that every controller shares: queue, workers, status writes, Events, the Lease."""

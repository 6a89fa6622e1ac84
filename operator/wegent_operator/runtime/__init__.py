"""The parts that every controller shares: queue, dispatcher, status writes, Events, the Lease."""

"""The state machine of one execution: events in, commands out."""

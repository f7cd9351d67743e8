"""The life of one connection as values: states, deadlines, heartbeats. Time comes in as `now`."""

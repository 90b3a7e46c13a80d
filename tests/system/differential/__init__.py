"""The same command streams to Redis directly and through Sluice; see test_differential.py."""

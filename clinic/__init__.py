"""The clinic: programs that learn and programs that do not, on which detection and repair are measured."""

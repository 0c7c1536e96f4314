"""Faults under load: clients write and read while OpenSearch is killed and hangs, the functions'
processes are killed and answers get lost; then what the clients know is compared with what the
service holds. `make chaos MINUTES=10`, or `python -m tests.chaos`."""

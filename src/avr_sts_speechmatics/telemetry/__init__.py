"""Telemetry: log, webhooks, turn times, records and traces of calls."""

"""Helpers for code that works with Slipway."""

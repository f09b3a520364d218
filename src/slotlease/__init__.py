"""Slotlease: a booking server for Google's Actions Center whose slots are leased before they are booked."""

__version__ = "0.1.0"

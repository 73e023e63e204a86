"""Devices, their rooms, their claim, their certificates, their presence."""

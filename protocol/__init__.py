"""The words between browser, hub, media worker and device. No Django, no I/O."""

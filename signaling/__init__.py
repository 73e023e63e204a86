"""WebSockets: text to message, message to service, row to text."""

"""Echo out of a microphone, for the device and for the worker: arrays in, arrays out."""

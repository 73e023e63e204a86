"""Every message of `/ws/hub/` (browser) and `/ws/device/` (device), one model each, by subject.

Which of them go in which direction stands in `protocol.messages.unions`. Published as docs/asyncapi.yaml. Names are
kept for good, because other clients speak them.
"""

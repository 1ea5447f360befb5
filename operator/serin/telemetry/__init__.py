"""What Serin tells about itself: access log, metrics text, process log.

Values come in as arguments; nothing here knows where they are made.
"""

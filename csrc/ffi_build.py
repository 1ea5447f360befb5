"""cffi description of the C routine (API mode): what Python sees is the header between its include guards."""

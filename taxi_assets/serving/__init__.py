"""ONNX export, the served model, the Bento build and a client. Imports no training library."""

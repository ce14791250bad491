"""The champion as a Bento: ONNX export, the served model, the build and a client. Imports no library of training."""

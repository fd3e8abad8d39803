"""How an ONNX file becomes ncnn's: pnnx, what it is given, and what it wrote.

``pnnx_binary`` fetches and runs it, ``pnnx_input`` prepares the graph, ``param_text`` gives the
tensors their names back.
"""

"""ncnn's files: read, written, and put back as the ONNX graph that they stand for.

``ncnn_graph`` holds what is in a file, ``ncnn_file`` reads and writes the pair: ``param_text`` the
text with the layers, ``weight_data`` the weights, by the tables of ``weight_tables``.
``graph_to_onnx`` says the same graph in ONNX, with the folder ``layers`` for what each layer
computes.
"""

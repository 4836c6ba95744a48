"""Ray's room: training jobs, evaluation and measurement of networks.

`settings` and `protocol` import neither torch, ray nor onnxruntime: the API process may read them.
"""

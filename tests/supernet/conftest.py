"""The networks of these tests are tiny: more threads would only wait for one another."""

import torch

torch.set_num_threads(1)

"""Compares a network that noiseline has exported with the one of the script that trained it."""
import noiseline
import torch

model, scheduler = noiseline.checkpoint("net")
saved = torch.load(noiseline.inputs["example"] / "example.pt")
weights = model.state_dict()
assert weights.keys() == saved["weights"].keys()
changed = sum(int((weights[name] != value).sum()) for name, value in saved["weights"].items())
with torch.no_grad():
    error = (model(saved["x"], 500).sample - saved["eps"]).abs().max().item()
noiseline.metrics(changed=changed, error=error, timesteps=scheduler.config.num_train_timesteps, spread=saved["eps"].std().item())

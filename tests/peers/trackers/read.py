"""Reads back what was mirrored, by each tracker's own package, and prints it as JSON.

python read.py wandb FILE | tensorboard FOLDER | mlflow ADDRESS EXPERIMENT
"""

import json
import sys


def wandb(file):
    import wandb
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal import datastore

    wandb._assert_is_internal_process = True
    store = datastore.DataStore()
    store.open_for_scan(file)
    told = {"kinds": [], "history": [], "config": {}}
    while data := store.scan_data():
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        kind = record.WhichOneof("record_type")
        told["kinds"].append(kind)
        items = lambda some: {item.key: json.loads(item.value_json) for item in some}
        if kind == "history":
            told["history"].append(items(record.history.item))
        if kind == "run":
            told |= {"project": record.run.project, "config": items(record.run.config.update)}
        if kind == "summary":
            told["summary"] = items(record.summary.update)
        if kind == "exit":
            told["exit"] = record.exit.exit_code
        if kind == "files":
            told["files"] = told.get("files", []) + [one.path for one in record.files.files]
    return told


def tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(folder, size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    tags = events.Tags()
    scalars = {tag: [[one.step, one.value] for one in events.Scalars(tag)] for tag in tags["scalars"]}
    images = {tag: [[one.step, one.width, one.height] for one in events.Images(tag)] for tag in tags["images"]}
    return {"scalars": scalars, "images": images}


def mlflow(address, experiment):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(address)
    [found] = client.search_experiments(filter_string=f"name = '{experiment}'")
    runs = []
    for run in client.search_runs([found.experiment_id], order_by=["start_time ASC"]):
        history = {key: [[one.step, one.value] for one in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics}
        files = [one.path for one in client.list_artifacts(run.info.run_id)]
        previews = [one.path for one in client.list_artifacts(run.info.run_id, "train")] if "train" in files else []
        told = {"status": run.info.status, "params": run.data.params, "history": history, "files": files}
        runs.append(told | {"previews": previews})
    return runs


print(json.dumps({"wandb": wandb, "tensorboard": tensorboard, "mlflow": mlflow}[sys.argv[1]](*sys.argv[2:])))

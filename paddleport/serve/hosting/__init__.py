"""Models held for requests: worker processes, batches, queues, deadlines, proof."""

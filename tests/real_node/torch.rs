//! torchrun over several pods, where the testbed has PyTorch.

use super::{Node, TORCH, lacks_image};

#[test]
#[ignore = "needs a real node: cargo xtask test --real-node"]
fn ranks_of_two_pods_add_up() {
    if lacks_image("torch") {
        return;
    }
    let node = Node::new("torch");
    node.script(
        "job",
        "exec python -m torch.distributed.run --nnodes \"$NUM_REPLICAS\" \
         --nproc-per-node \"$NUM_GPUS_PER_REPLICA\" --node-rank \"$JOB_COMPLETION_INDEX\" \
         --master-addr \"$MASTER_ADDR\" --master-port \"$MASTER_PORT\" main.py\n",
    );
    node.sandbox.write(
        "job/main.py",
        "import torch, torch.distributed as dist\ndist.init_process_group('gloo')\n\
         total = torch.tensor(dist.get_rank())\ndist.all_reduce(total)\n\
         print('rank', dist.get_rank(), 'of', dist.get_world_size(), 'sum', total.item())\n",
    );
    let arguments = ["-i", TORCH, "-g", "4", "--replicas", "2", "--follow"];
    let outcome = node.run("job", &arguments).exits(0);
    for rank in 0..4 {
        let line = format!("rank {rank} of 4 sum 6");
        assert!(outcome.stdout.contains(&line), "{line}: {}", outcome.stdout);
    }
}

//! Examples for the help of every command. A test reads each of them as the command line does.

/// The words of a command, and lines that begin with them.
pub const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "init",
        &[
            "init first",
            "init cats --coco cats.json --images photos",
            "init cats --coco train.json --images train --val-coco val.json --val-images val",
        ],
    ),
    (
        "plan",
        &[
            "plan recipes/ablation.toml",
            "plan recipes/ablation.toml --set seeds=0,1,2 --set train.steps=1200",
            "plan recipes/ablation.toml --explain method.filter.class",
            "plan recipes/mock.toml --power 0.5 --deviation 1.2",
        ],
    ),
    (
        "sweep",
        &[
            "sweep recipes/smoke.toml",
            "sweep recipes/ablation.toml --set seeds=0,1,2 --set sweeps=modules",
            "sweep recipes/ablation.toml --out results/mine --workers 2",
        ],
    ),
    (
        "stage",
        &[
            "stage results/smoke",
            "stage results/smoke --row PL-DC",
            "stage results/smoke evaluate --row PL-DC --seed 0 --again",
        ],
    ),
    (
        "submit",
        &[
            "submit recipes/ablation.toml",
            "submit recipes/ablation.toml --profile a100 --dry-run",
            "submit recipes/ablation.toml --out results/mine --retries 1",
        ],
    ),
    (
        "cancel",
        &[
            "cancel results/ablation",
            "cancel results/ablation --pending",
        ],
    ),
    (
        "work",
        &[
            "work results/ablation/.store/submissions/0a1b2c3d4e5f --element 3",
            "work results/ablation/.store/submissions/0a1b2c3d4e5f --finish",
        ],
    ),
    (
        "show",
        &[
            "show results/smoke",
            "show results/smoke --row PL-DC --seed 0",
            "show --keys",
        ],
    ),
    (
        "logs",
        &[
            "logs results/smoke --row PL-DC --seed 0",
            "logs results/smoke --row PL-DC --json --follow",
        ],
    ),
    (
        "export curves",
        &[
            "export curves results/smoke",
            "export curves results/smoke --out curves.csv --wide",
        ],
    ),
    (
        "export tensorboard",
        &["export tensorboard results/smoke --out events"],
    ),
    (
        "status",
        &[
            "status results/smoke",
            "status results/smoke --json",
            "status results/smoke --watch 60",
        ],
    ),
    (
        "table",
        &[
            "table results/smoke",
            "table results/ablation --sweep modules --format latex --metric AP50",
        ],
    ),
    (
        "report",
        &[
            "report results/smoke",
            "report results/ablation --out ablation.html",
            "report results/smoke --analyse",
            "report results/before results/after --out difference.html",
            "report results/ablation --watch 30",
        ],
    ),
    (
        "compare",
        &[
            "compare results/before results/after",
            "compare results/before results/after --sweep modules",
        ],
    ),
    (
        "data export",
        &[
            "data export recipes/smoke.toml --out scenes",
            "data export recipes/smoke.toml --out scenes --layout cityscapes",
        ],
    ),
    (
        "data check",
        &["data check recipes/coco-mini.toml --set data.root=coco"],
    ),
    (
        "data split",
        &["data split recipes/smoke.toml --out splits"],
    ),
    (
        "data look",
        &[
            "data look recipes/smoke.toml --out views",
            "data look recipes/smoke.toml --out flipped --images 20 --set augment.flip=1",
        ],
    ),
    (
        "eval",
        &[
            "eval --gt annotations.json --dt detections.json --csv scores.csv",
            "eval --cityscapes cityscapes --dt results --csv scores.csv",
        ],
    ),
    (
        "predict",
        &[
            "predict mask2former-folder --images photos --out detections.json",
            "predict results/smoke --row PL-DC --seed 0 --images photos --out detections.json",
            "predict results/smoke --row PL-DC --images photos --out detections.json --draw drawn --min-score 0.3",
            "predict recipes/smoke.toml --weights final.safetensors#teacher --images a.png b.png --out detections.json",
        ],
    ),
    (
        "weights inspect",
        &[
            "weights inspect resnet50.safetensors",
            "weights inspect resnet50.safetensors --recipe recipes/coco-mini.toml",
        ],
    ),
    (
        "weights export",
        &[
            "weights export results/coco-mini --row PL-DC --seed 0 --out folder",
            "weights export recipes/coco-mini.toml --weights final.safetensors#teacher --out folder",
        ],
    ),
    (
        "clip",
        &["clip clip-folder --image a.png --text \"a photo of a dog\" --text \"a photo of a cat\""],
    ),
    (
        "schema",
        &[
            "schema > recipe.schema.json",
            "schema --sweep > sweep.schema.json",
        ],
    ),
    (
        "completions",
        &[
            "completions bash > ~/.local/share/bash-completion/completions/harness",
            "completions zsh > ~/.zfunc/_harness",
            "completions fish > ~/.config/fish/completions/harness.fish",
        ],
    ),
    (
        "man",
        &["man > harness.1", "man --out ~/.local/share/man/man1"],
    ),
];

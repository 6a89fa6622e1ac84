module wegent.invalid/devcluster/pause

go 1.26.0

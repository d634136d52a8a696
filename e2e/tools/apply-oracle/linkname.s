// An empty assembly file lets merge.go declare a function without a body.

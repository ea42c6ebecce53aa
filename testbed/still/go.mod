module kaiwo.dev/testbed/still

go 1.26.0

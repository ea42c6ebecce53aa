// What runs on a real node, as one multi-call binary: `node kubelet`, `node
// proxy`. The daemons themselves are the upstream ones.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	daemons := map[string]func() *cobra.Command{
		"kubelet": func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
		"proxy":   func() *cobra.Command { return proxy.NewProxyCommand() },
	}
	if len(os.Args) > 1 {
		if daemon, known := daemons[os.Args[1]]; known {
			os.Args = os.Args[1:]
			os.Exit(cli.Run(daemon()))
		}
	}
	fmt.Fprintln(os.Stderr, "usage: node kubelet|proxy [flags]")
	os.Exit(2)
}

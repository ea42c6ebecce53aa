// Package net carries connections.
//
// This stands in for KWOK's own file, which ends a forwarded connection only when
// both sides have. A container runtime ends it once the server has (containerd,
// `sandbox_portforward_linux.go`), and that is how a client learns of it.
package net

import (
	"context"
	"io"
)

// Tunnel carries bytes between a client and a server until the server has ended.
func Tunnel(ctx context.Context, client, server io.ReadWriter, _, buf []byte) error {
	ended := make(chan error, 1)
	// It ends when its caller closes both, so the buffer is its own.
	go func() { _, _ = io.Copy(server, client) }()
	go func() {
		_, err := io.CopyBuffer(client, server, buf)
		ended <- err
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

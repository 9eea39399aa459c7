package main

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// tracing sends spans to an OTLP endpoint, if one is configured. Spans hold names and times, no values of actions.
type tracing struct{ spans *sdktrace.TracerProvider }

func openTracing(ctx context.Context, endpoint string) (*tracing, error) {
	if endpoint == "" {
		return &tracing{}, nil
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(endpoint)}
	if isLoopback(endpoint) {
		options = append(options, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("--otlp: %w", err)
	}
	return &tracing{sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "portcullis"), attribute.String("service.version", version))),
	)}, nil
}

// provider is nil without tracing.
func (t *tracing) provider() oteltrace.TracerProvider {
	if t.spans == nil {
		return nil
	}
	return t.spans
}

func (t *tracing) close() error {
	if t.spans == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.spans.Shutdown(ctx); err != nil {
		return fmt.Errorf("flush traces: %w", err)
	}
	return nil
}

package hrana

type jsonCodec struct{ protobufCodec }

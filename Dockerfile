# An image that holds one static binary and nothing else. Build the binary first, then the image:
#
#   RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --locked -p server --target x86_64-unknown-linux-gnu
#   mkdir -p target/image/data && cp target/x86_64-unknown-linux-gnu/release/recado target/image/
#   docker build --tag recado .
#
# Another folder with the binary and an empty folder `data` is named with --build-arg IMAGE_ROOT=FOLDER.
FROM scratch
ARG IMAGE_ROOT=target/image
COPY ${IMAGE_ROOT}/recado /recado
# An empty folder with the right owner: a new volume takes both over from it.
COPY --chown=10001:10001 ${IMAGE_ROOT}/data /data
USER 10001:10001
VOLUME ["/data"]
ENV RECADO_DATA=/data \
    RECADO_HTTP=0.0.0.0:8080 \
    RECADO_GRPC=0.0.0.0:50051 \
    RECADO_AMQP=0.0.0.0:5672 \
    RECADO_MANAGEMENT=0.0.0.0:15672
EXPOSE 5672 8080 15672 50051
STOPSIGNAL SIGTERM
# Ready means: state loaded, disk not nearly full, no shard stopped.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/recado", "health"]
ENTRYPOINT ["/recado"]
CMD ["serve"]

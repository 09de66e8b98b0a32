#!/usr/bin/env bash
# Compiles the programs of this folder against RabbitMQ's Java client. The client and the logging interface that it needs
# come from Maven's repository, each with its checksum; no build tool is needed.
# Called as: compile.sh FOLDER-OF-JARS FOLDER-OF-CLASSES
set -euo pipefail
jars=$1 classes=$2
repository="${MAVEN_REPOSITORY:-https://repo1.maven.org/maven2}"
mkdir -p "$jars" "$classes"
while read -r checksum path; do
    jar="$jars/$(basename "$path")"
    [ -s "$jar" ] || curl --silent --show-error --fail --location --retry 3 --output "$jar" "$repository/$path"
    echo "$checksum  $jar" | sha256sum --check --quiet
done <<'JARS'
4e0946204314173fc61e14064a7d16bbfa4b487d6f1eef75655381f35e7cf2e2 com/rabbitmq/amqp-client/5.37.1/amqp-client-5.37.1.jar
7e1446499b359675d8aabe6af2de86b85e72ae8a2a932c0b40d0e5ba57097439 org/slf4j/slf4j-api/2.0.20/slf4j-api-2.0.20.jar
6522080396fb339e99bae40d329a06d18d3190dc864020ac4ca943519d0fd85b org/slf4j/slf4j-nop/2.0.20/slf4j-nop-2.0.20.jar
JARS
javac -Xlint:all -Werror -cp "$jars/*" -d "$classes" "$(dirname "$0")"/*.java

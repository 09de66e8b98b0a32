#!/usr/bin/env bash
# A Spring Boot application with Spring AMQP against the binary. Maven brings some forty packages.
# when: long
# time limit: 900
# apt: mvn:maven javac:openjdk-17-jdk-headless
set -euo pipefail
source "$(dirname "$0")/amqp/broker.sh"
cp -r "$here/frameworks/spring" "$home/spring"
cd "$home/spring"
mvn --quiet --batch-mode compile org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies -DincludeScope=runtime
# Its threads say that the broker is gone, which it is.
if ! timeout 180 java -cp "target/classes:target/dependency/*" scenario.Application \
    "amqp://admin:$password@127.0.0.1:$port" "$restart" 2>"$home/said"; then
    cat "$home/said" >&2
    exit 1
fi
no_complaints

#!/bin/sh
# Starts the broker of docker-compose.yml. Its password file is made here out of the environment,
# so that none lies beside the configuration.
set -eu
umask 077
mosquitto_passwd -b -c /mosquitto/passwords veroallarme "$MQTT_PASSWORD"
mosquitto_passwd -b /mosquitto/passwords homeassistant "$MQTT_PASSWORD"
# The broker gives up root before it reads the file.
chown mosquitto /mosquitto/passwords
exec mosquitto -c /mosquitto/config/mosquitto.conf

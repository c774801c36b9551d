"""Plan walkable service stations (服务圈规划): from an OSM walking network to a proven plan."""

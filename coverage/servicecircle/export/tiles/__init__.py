"""Map tiles of the service circles: WGS-84, GCJ-02 and Baidu's own grid; folders and archives.

Shapes and colours in, files out: nothing here knows what a plan is. ``grids`` says where a tile
lies, ``outlines`` moves shapes into a grid, ``quadtree`` finds the tiles that they touch,
``painting`` and ``png`` make the pictures, ``pyramid`` writes a folder that can be taken up again
after a break, ``metadata`` describes it (TileJSON), ``archives`` packs it (MBTiles, PMTiles).
"""
